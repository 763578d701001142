"""Heads and their images: meshes, head models, a camera and a software renderer."""
