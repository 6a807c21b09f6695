"""Statistics over results: intervals, paired comparisons, ranks and the robustness area."""
