"""What the notebooks are made with: figures, widgets, the set-up. The mathematics never imports from here."""
