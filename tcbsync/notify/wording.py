"""The sentences of messages, in English and Chinese. The English headlines are those of `status`, where it has one."""

from __future__ import annotations

from tcbsync.verdict import HEADLINES

TEXTS: dict[str, dict[str, tuple[str, str, str]]] = {
    "en": {
        "unseen": (
            HEADLINES["unseen"],
            "It goes on by itself when the folder is back. To see how things are:",
            "tcbsync status",
        ),
        "held": (
            HEADLINES["held"],
            "Put the files back, or look at the list and let them go:",
            "tcbsync held",
        ),
        "failed": ("{files} of {mirror} could not be mirrored.", "To see which, and why:", "tcbsync failed"),
        "unreadable": (
            "{paths} of {mirror} cannot be looked at.",
            "Nothing there is sent or deleted. To see which, and why:",
            "tcbsync failed",
        ),
        "offline": (
            HEADLINES["offline"],
            "It goes on by itself when the service answers. To see what is in the way:",
            "tcbsync check",
        ),
        "blocked": (
            HEADLINES["blocked"],
            "Nothing is sent until this is mended. To see how:",
            "tcbsync check",
        ),
        "stalled": (
            HEADLINES["stalled"],
            "Nothing is sent until it can be written again. To see how things are:",
            "tcbsync status",
        ),
        "paused": (HEADLINES["paused"], "It goes on by itself. To see when:", "tcbsync status"),
        "full": (
            HEADLINES["full"],
            "Uploads wait until there is room: delete what nobody needs, or buy more. To see how things are:",
            "tcbsync status",
        ),
        "test": ("This is a test message of tcbsync.", "Nothing is wrong. To see how things are:", "tcbsync status"),
    },
    "zh": {
        "unseen": (
            "看不到镜像 {mirror} 的目录。",
            "什么都不会删除；目录回来后自动继续。查看现状：",
            "tcbsync status",
        ),
        "held": (
            "镜像 {mirror} 有 {count} 个删除等您确认。",
            "把文件放回去，或者查看列表后放行：",
            "tcbsync held",
        ),
        "failed": (
            "镜像 {mirror} 有 {count} 个文件未能同步。",
            "查看是哪些文件、什么原因：",
            "tcbsync failed",
        ),
        "unreadable": (
            "镜像 {mirror} 有 {count} 个路径无法查看。",
            "那里的内容既不上传也不删除。查看是哪些路径、什么原因：",
            "tcbsync failed",
        ),
        "offline": ("连不上服务。", "服务恢复后自动继续。查看问题出在哪里：", "tcbsync check"),
        "blocked": ("服务拒绝了所有请求。", "处理好之前什么都不会上传。查看如何处理：", "tcbsync check"),
        "stalled": ("状态目录写不进去了。", "能写之前什么都不会上传。查看现状：", "tcbsync status"),
        "paused": ("服务要求暂停调用。", "会自动继续。查看何时恢复：", "tcbsync status"),
        "full": (
            "云端存储空间已用完。",
            "有空间之前上传会一直等待：请删掉不需要的文件，或者扩容。查看现状：",
            "tcbsync status",
        ),
        "test": ("这是 tcbsync 的测试消息。", "一切正常。查看现状：", "tcbsync status"),
    },
}
"""Kind → the headline, what to do, and the command to type."""
OVER: dict[str, dict[str, str]] = {
    "en": {
        "unseen": "The folder of {mirror} can be seen again.",
        "held": "No delete of {mirror} waits for you any more.",
        "failed": "All files of {mirror} could be mirrored.",
        "unreadable": "Every path of {mirror} can be looked at again.",
        "offline": "The service can be reached again.",
        "blocked": "The service lets us through again.",
        "stalled": "The state directory can be written again.",
        "paused": "The service's pause is over.",
        "full": "The cloud's storage has room again.",
    },
    "zh": {
        "unseen": "又能看到镜像 {mirror} 的目录了。",
        "held": "镜像 {mirror} 不再有等您确认的删除。",
        "failed": "镜像 {mirror} 的文件都已能同步。",
        "unreadable": "镜像 {mirror} 的所有路径又都能查看了。",
        "offline": "服务又能连上了。",
        "blocked": "服务重新接受请求了。",
        "stalled": "状态目录又能写了。",
        "paused": "服务的暂停已经结束。",
        "full": "云端存储空间又够用了。",
    },
}
UNITS = {"s": "秒", "min": "分钟", "h": "小时", "days": "天"}
