"""Heads and the pictures of them: meshes, head models, a camera and a software renderer."""
