"""What a kernel reads, recorded by itself: :mod:`bookworks._recorder.sitecustomize`."""
