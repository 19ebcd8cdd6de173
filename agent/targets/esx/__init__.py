"""ESX and vCenter by pyVmomi; nothing else imports it."""
