#!/usr/bin/env python3
"""VADER's compound sentiment, -1 to 1, of each JSON string on stdin, one a line. Needs: pip install vaderSentiment"""
import json, sys
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

analyzer = SentimentIntensityAnalyzer()
for line in sys.stdin:
    print(analyzer.polarity_scores(json.loads(line))["compound"])
