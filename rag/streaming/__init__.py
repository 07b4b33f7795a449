"""An answer that is being written → its pieces as they come, then the whole answer; also for asyncio."""
