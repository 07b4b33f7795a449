"""What every command of `rag` shares: options and what they name, files read and written, and what people see."""
