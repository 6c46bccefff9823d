"""Vision towers in 8-bit integers, run by ONNX Runtime.
Imported only where the optional package is there.
"""
