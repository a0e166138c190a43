"""Figures of an analysis: matplotlib, for screens and for print in grey, each a pure function of frames and effects."""
