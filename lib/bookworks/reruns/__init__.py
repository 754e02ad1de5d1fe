"""Chapters run anew with other parameters, by papermill, in processes of their own."""
