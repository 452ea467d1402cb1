"""Troubles of a day that come from the service, and from what the operator tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.demo import sample

if TYPE_CHECKING:
    from tcbsync.demo.desk import Desk

NEW_SECRET = "another-demo-secret"  # noqa: S105 - of the stand-in cloud
POSTER = "launch/poster.png"
THEFTS = 3
"""So many tokens in a row that another service ended are no chance any more."""


def refused(desk: Desk) -> None:
    """Save one file that the cloud will never take, and one that it takes."""
    root = desk.stage.root
    desk.scene("10:05", "the cloud refuses a poster that it holds for unlawful; the page beside it goes up")
    reason = {"status": 451, "code": "UnavailableForLegalReasons"}
    desk.stage.inspection.set_faults({"call": "cos", "kind": "http", "key": POSTER, **reason})
    sample.put(root, {POSTER: sample.png(90, 120, shade=200), "launch/page.html": sample.page("Launch", [])})
    desk.sees("1 file was refused for good.", code=3, told="1 file of site could not be mirrored: ")
    desk.says("failed", code=3, words="[UnavailableForLegalReasons]")
    desk.does("another picture, under another name, takes its place")
    (root / POSTER).unlink()
    sample.put(root, {"launch/lanterns.png": sample.png(90, 120, shade=90)})
    desk.over(told="All files of site could be mirrored.")
    desk.stage.inspection.set_faults()


def quota(desk: Desk) -> None:
    """Use up the minute's quota. That passes by itself, after a minute; meanwhile there is other trouble."""
    desk.scene("10:40", "a script of somebody else uses up this minute's quota of calls")
    desk.stage.inspection.set_faults({"call": "uploadfile", "kind": "errcode", "errcode": 45011})
    sample.put(desk.stage.root / "stickers", {f"sticker-{n}.svg": sample.svg(20 + n) for n in range(12)})
    desk.sees("The service asked for a pause.", log="service paused: ", unit="site: paused, ", told="a pause.")


def quota_passes(desk: Desk) -> None:
    """Wait: nobody has to do anything."""
    desk.scene("10:41", "the next minute has its own quota")
    desk.stage.inspection.set_faults()
    desk.stage.patience_seconds *= 4
    desk.over(log="service ok again, after paused", told="pause is over.")
    desk.stage.patience_seconds /= 4


def wrong_reload(desk: Desk) -> None:
    """Make a slip in the configuration: nothing of it is applied."""
    desk.scene("10:40", "meanwhile a colleague changes the configuration, with a slip of the pen")
    desk.configure("uplaods: 64")
    desk.does("SIGHUP, as `systemctl reload tcbsync` sends it")
    desk.stage.daemon.hang_up()
    mistake = ("did you mean uploads?", "The daemon goes on", "The service asked for a pause.")
    desk.sees("the configuration is wrong", *mistake, code=78, log="the one before stays in force")
    desk.configure()
    desk.does("the slip is mended")
    desk.says("reload", words="nothing is different")
    desk.sees("The service asked for a pause.")


def down(desk: Desk) -> None:
    """Let nobody answer at all, and then again."""
    desk.scene("12:30", "the service does not answer; a designer goes on saving")
    desk.stage.stop_emulator()
    desk.proofs.begin_anew()
    sample.put(desk.stage.root / "season-2", sample.season())
    desk.sees("The service cannot be reached.", log="service offline: ", told="cannot be reached.")
    desk.scene("12:50", "it is back")
    desk.stage.start_emulator()
    desk.over(log="service ok again, after offline")


def rotated(desk: Desk) -> None:
    """Make the secret that the daemon has worthless, and give it another."""
    desk.scene("14:20", "somebody resets the AppSecret in the WeChat console")
    desk.stage.stop_emulator()
    desk.proofs.begin_anew()
    desk.stage.start_emulator(NEW_SECRET)
    (desk.stage.root / "data/config.json").write_bytes(sample.document({"title": "Lantern Street", "levels": 26}))
    desk.sees("The service lets nothing through.", "[40125]", log="service blocked: ", unit="[40125]", told="[40125]")
    desk.keep_secret(NEW_SECRET)
    desk.does("the new secret is written into secret_file")
    desk.says("reload", words="the secret was read anew")
    desk.over(log="service ok again, after blocked")


def stolen(desk: Desk) -> None:
    """End the token again and again, as another service does that renews it for itself. It works, and is said."""
    desk.scene("15:00", "a new service of the team fetches tokens by the old call, which ends ours each time")
    for number in range(THEFTS):
        desk.stage.inspection.revoke_tokens()
        sample.put(desk.stage.root / "news", {f"{number}.json": sample.level(200 + number)})
        desk.stage.until(desk.stage.is_alike, "a token that was ended is not renewed")
    desk.over("Another service seems to renew the token", log="another service seems to renew the token")
