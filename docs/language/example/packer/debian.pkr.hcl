variable "version" {
  default = "12"
}

source "null" "debian" {
  communicator = "none"
}

build {
  sources = ["source.null.debian"]
}
