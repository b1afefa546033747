# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Suspends the output of its own terminal, so that its next print waits for ever.
import sys
import termios

print("one moment")
termios.tcflow(1, termios.TCOOFF)
print("this hangs")
sys.stdout.flush()
termios.tcflow(1, termios.TCOON)
raise SystemExit(0)
