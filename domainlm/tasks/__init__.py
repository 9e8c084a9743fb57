"""Tasks: from annotated text to a fine-tuned model, its scores and its predictions.

What all kinds of task share is here (`finetune`, `load`); what one kind needs has a package of its own (`token`).
"""
