"""Diffusion models, built in sight: the library behind the notebooks.

    schedule → forward process → denoiser → sample → decode → picture

Nothing imports from its right. Each file is one idea and can be read on its own.
"""
