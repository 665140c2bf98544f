"""What is computed on episodes: annotations, speaker turns, dialogue frames and their labels.

annotations ──► speaker_turns ──► dialogue_frames ──► laughter_labels
     └─────────────────┴──────────────────────────────────┘
"""
