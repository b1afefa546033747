# System-wide settings of interactive shells.
case $- in *i*) ;; *) return ;; esac
if [ "$(id -u)" -eq 0 ]; then PS1='[\u@\h \W]# '; else PS1='[\u@\h \W]$ '; fi
