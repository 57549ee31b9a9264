// Package nginxtest runs real nginx for tests, the benchmarks and the lab's
// smaller form: it finds every release at hand (the machine's own, and the root
// file systems that scripts/nginx-releases.sh makes), starts one with a rendered
// configuration on loopback addresses, waits until it listens, and stops it.
//
// It needs no root: an nginx of a root file system runs through that root's own
// dynamic loader, without chroot. It must not be imported by the product, and it
// touches no process that it did not start.
//
//	binaries, err := nginxtest.Find(os.Getenv)
//	run, err := nginxtest.Start(ctx, nginxtest.Newest(binaries), nginxtest.Config{Dir: dir, Values: values, Cert: cert, Key: key})
//	defer run.Stop()
//	client.Get("https://" + run.Addr.String() + "/version")
package nginxtest
