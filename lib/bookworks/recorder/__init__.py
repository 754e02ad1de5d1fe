"""What a kernel reads, recorded by itself: :mod:`bookworks.recorder.sitecustomize`."""
