"""What each release sent to hosts whose entries have UUID keys."""
