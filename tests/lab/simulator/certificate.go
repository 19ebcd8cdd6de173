package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// certificate is the host's own, made once as an ESX makes it when it is installed. The simulator's has a key of 1024
// bits, which OpenSSL 3 refuses even where it is pinned.
func certificate(crt, key, host string) tls.Certificate {
	if pair, err := tls.LoadX509KeyPair(crt, key); err == nil {
		return pair
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	check(err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	check(err)
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{CommonName: "localhost.localdomain", Organization: []string{"VMware, Inc"},
			OrganizationalUnit: []string{"VMware ESX Server Default Certificate"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(5, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost.localdomain"}, IPAddresses: []net.IP{net.ParseIP(host)}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	check(err)
	check(os.WriteFile(crt, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	check(os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}), 0o600))
	pair, err := tls.LoadX509KeyPair(crt, key)
	check(err)
	return pair
}
