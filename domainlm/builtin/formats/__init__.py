"""The file formats that the core reads itself."""
