"""Says what a person can do about what `check` finds wrong: with the address, the directory, the line to type.

Looks at the disk, and changes nothing.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from tcbsync.core.errors import NoAnswer
from tcbsync.daemon.assemble import WRONG_CREDENTIALS

if TYPE_CHECKING:
    from tcbsync.config.schema import Config
    from tcbsync.core.errors import CloudError

ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|(?<![0-9a-f:])(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{1,4}")
PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
FSTAB = Path("/etc/fstab")
INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")

MISTAKES = {
    "overlaps with that of": "give each mirror of an env a prefix of its own, such as site/ and fonts/",
    "is inside the root of": "mirror the outer folder alone, or leave the inner one out of it",
    "is around the root of": "mirror the outer folder alone, or leave the inner one out of it",
    "is the same as the root of": "one folder goes to one place: take one of the two mirrors out",
    "must not be inside the root": "put it elsewhere, such as /var/lib/tcbsync",
    "looks like the secret itself": "put the secret into that variable or file, and its name here",
}


def about_mistake(mistake: str) -> str:
    """Say what to do about one mistake of a configuration."""
    told = (step for words, step in MISTAKES.items() if words in mistake)
    return next(told, "correct that line; config.example.yaml shows every option")


def user() -> str:
    """Name the user that this process is."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def closed(path: Path) -> Path | None:
    """Give the first part of a path that this user may not pass, or, at its end, not read; None where there is none."""
    for part in (*reversed(path.parents), path):
        try:
            needs = os.R_OK | (os.X_OK if stat.S_ISDIR(part.stat().st_mode) else 0) if part == path else os.X_OK
        except OSError:
            return None
        if not os.access(part, needs):
            return part
    return None


def opening(path: Path) -> str:
    """Say who may not pass which part of a path, and the line that lets him; empty where he may."""
    part = closed(path)
    if part is None:
        return ""
    found, name = part.stat(), shlex.quote(str(part))
    right, least = ("rX", stat.S_IRGRP) if part == path else ("x", stat.S_IXGRP)
    group = _group(found.st_gid)
    line = f"setfacl -m u:{user()}:{right} {name}"
    if found.st_mode & least and found.st_gid != 0:
        line = f"usermod -a -G {group} {user()}"
    owner = f"{stat.filemode(found.st_mode)} {_owner(found.st_uid)}:{group}"
    return f"{user()} may not {'read' if part == path else 'pass'} {part} ({owner}): `{line}`"


def _owner(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def about_root(root: Path) -> str:
    """Say what to do about a root that cannot be looked at."""
    waits = "`run` starts all the same, and waits for it"
    if way := opening(root):
        return f"{way}; {waits}"
    if point := _unmounted(root):
        return f"is the volume mounted? Nothing is at {point}, which /etc/fstab names: `mount {point}`; {waits}"
    there = next((above for above in root.parents if above.is_dir()), Path("/"))
    return f"is the volume mounted, and is the path right? {there} is there; {waits}"


def _unmounted(root: Path) -> Path | None:
    """Give the mount point of /etc/fstab, at or above a folder, at which nothing is mounted."""
    try:
        lines = FSTAB.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    fields = [line.split() for line in lines if not line.lstrip().startswith("#")]
    points = [Path(each[1].replace("\\040", " ")) for each in fields if len(each) > 1 and each[1].startswith("/")]
    return next((point for point in points if root.is_relative_to(point) and not os.path.ismount(point)), None)


def about_paths(root: Path, first: str) -> str:
    """Say what to do about paths of a root that cannot be read, the first of which is this."""
    way = opening(root / first)
    return "give the user that tcbsync runs as the right to it, rename it, or ignore it" + (f": {way}" if way else "")


def about_state(above: Path, state_dir: Path) -> str:
    """Say how the state directory becomes this user's; `above` is it, or what is there of the path to it."""
    if above == state_dir:
        return f"give it to the user that tcbsync runs as: `chown -R {user()} {shlex.quote(str(state_dir))}`"
    line = f"install -d -m 700 -o {user()} {shlex.quote(str(state_dir))}"
    return f"make it for the user that tcbsync runs as: `{line}`"


def about_instances() -> str:
    """Say what to do where no inotify descriptor is left."""
    try:
        now = int(INSTANCES.read_text())
    except (OSError, ValueError):
        now = 128
    line = f"fs.inotify.max_user_instances = {max(512, 2 * now)}"
    there = f"put `{line}` into /etc/sysctl.d/60-tcbsync.conf, then run `sysctl --system`"
    return f"{there}, or raise the limit of open files; until then folders are rescanned"


def about_service(error: CloudError, config: Config) -> str:
    """Say what to do about an error of the token call."""
    if error.code == "40164":
        return _about_address(error, config)
    if error.code in WRONG_CREDENTIALS:
        return f"{error.hint}; the appid is {config.credentials.appid}, the secret came from {_source(config)}"
    if not isinstance(error, NoAnswer):
        return error.hint or "is it up, and may this host reach it?"
    if "certificate" in error.args[0].lower():
        return "is the clock right (`timedatectl`)? A proxy that opens TLS needs its authority in service.ca_file"
    if config.service.proxy:
        return "is it up, and does service.proxy lead there?"
    named = next((name for name in PROXIES if os.environ.get(name)), None)
    also = f" ${named} is set, and is not taken: set service.proxy if that is the way out" if named else ""
    return f"{error.hint or 'is it up, and may this host reach it?'}{also}"


def _about_address(error: CloudError, config: Config) -> str:
    found = ADDRESS.search(error.args[0])
    if found is None:
        return error.hint
    where = "in the WeChat console: mp.weixin.qq.com, 开发管理, 开发设置, IP白名单"
    whose = " (the address by which service.proxy goes out)" if config.service.proxy else ""
    return f"add {found[0]}{whose} to the IP whitelist {where}"


def _source(config: Config) -> str:
    """Say where the secret comes from."""
    credentials = config.credentials
    if credentials.secret_env:
        return f"${credentials.secret_env}"
    return str(credentials.secret_file) if credentials.secret_file else "the configuration"
