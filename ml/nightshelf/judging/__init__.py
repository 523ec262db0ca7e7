"""Who serves: quality.py measures, gate.py decides, reigning.py knows the champion, evaluate.py is the stage
that asks them, recording.py tells MLflow.
"""
