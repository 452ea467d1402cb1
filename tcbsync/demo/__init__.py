"""The demonstration: the real emulator and the real daemon, as processes, on a real folder, with nothing to set up.

    story ─► sample_story ─► sample        what happens to a sample tree, step by step
         ├► own_story                      the same for a folder of the user's, which is only read
         ├► day ─► outages, mishaps        a day of troubles in fast forward, scene by scene, on the sample tree
         │    └► desk ─► accounts, inbox   what the operator reads of each; sums, and that nothing was lost; a webhook
         ├► stay                           goes on until it is told to end
         └► stage ─► processes             emulator and daemon, and the folder that all of it lies in
                 ├► inspection             what the emulator holds, by its own inspection API
                 └► compare                disk against cloud, byte for byte

Below them: `voice` (how it looks on a terminal) and `interrupt` (signals, where they do no harm).

Rule: "equal" is what `compare` finds by reading both sides. The daemon is never asked whether it has done its work.
"""
