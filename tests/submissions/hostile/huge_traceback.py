# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# The last line of its traceback is two million characters long.
raise ValueError("\x1b[31m" + "wrong " * 333333)
