module meridian.local/bench/go-proxy

go 1.22
