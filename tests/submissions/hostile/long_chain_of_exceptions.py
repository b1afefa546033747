# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Two hundred tracebacks, each the cause of the next.
error = None
for n in range(200):
    try:
        raise OSError(n, "chain") from error
    except OSError as caught:
        error = caught
raise error
