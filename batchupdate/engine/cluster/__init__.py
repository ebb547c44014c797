"""Worker processes as a Dask cluster, on this machine or on others. The one package that knows Dask.

What Dask is for: it starts processes on this machine, starts one again that has died, notices when one is gone, and
carries messages. Rows, results and turns go over calls of our own, and no row is ever an argument of a task, for Dask
keeps and logs these. A task is one round of a process (`RemoteWorker.work`): it is pinned to that process, never tried
again by Dask, and does nothing if Dask starts it twice (https://github.com/dask/distributed/issues/7870) or elsewhere.

Every process speaks TLS, and to nobody without a certificate of this cluster: whoever has one can make all others do
anything. On one machine, the certificate is made for the run and kept in memory, and all listen on 127.0.0.1 alone.
Worker processes on other machines (`joining`) only connect to the coordinator; it never needs a way to them.
"""
