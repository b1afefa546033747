import logging
import socket

logging.basicConfig(level=logging.INFO, format='%(asctime)s %(levelname)-5s %(message)s')
log = logging.getLogger('tcp_server')

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 11200))
s.listen(1)
log.info('listening on %s', s.getsockname())
c, a = s.accept()
log.info('client %s:%s', *a)
log.warning('message %r', c.recv(1024))
c.close()
s.close()
log.info('done')
