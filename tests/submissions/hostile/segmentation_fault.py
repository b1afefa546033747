# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Ends by signal 11.
import ctypes

ctypes.string_at(0)
