"""From a teacher to a served network: models, methods, data, the training loop and the ONNX export."""
