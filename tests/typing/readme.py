import asyncio

import batchupdate


def show(progress: batchupdate.Progress) -> None:
    print(f"{progress.stage}: {progress.done} of {progress.total}")


async def main() -> None:
    settings = batchupdate.load_settings({"target": "langdock-integration", "rate": "10/s"})
    checkup = batchupdate.check_file("renames.csv", settings)
    if checkup.invalid == 0:
        summary = await batchupdate.run_file("renames.csv", settings, on_progress=show)
        print(summary.counts[batchupdate.Outcome.UPDATED], "rows updated; see", summary.folder)


asyncio.run(main())
