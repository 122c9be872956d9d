"""What everything else stands on: messages of one line, files that are whole or not there,
what several devices share."""
