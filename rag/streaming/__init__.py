"""An answer that is being written → its pieces as they come, and at the end the answer; also for asyncio."""
