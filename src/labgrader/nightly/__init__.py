"""The nightly job: every lab proven on every provider, with a journal that outlives a reboot."""
