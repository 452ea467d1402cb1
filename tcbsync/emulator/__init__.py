"""A stand-in for the cloud over real HTTP. Shares no code with the client, on purpose.

The way of one request, and the module where each step is written:

    server ─► api ─► token_calls · link_calls · batches     the JSON calls of api.weixin.qq.com
           ├► object_post ─► multipart ─► storage           the object store's POST
           ├► downloads                                     the download host
           └► inspection                                    what tests and people ask: /_emulator/…

Below them: `settings` (what is switchable), `faults` (what goes wrong), `places` (how many at once), `record` (what
happened), `replies` (what an answer or a refusal is), `tokens`, `links`, `names`, `storage`, `journal`, `crc64`.
"""
