/** What a program says of itself at `/metrics`. */
export interface ProcessReading {
  readonly heapMegabytes: number;
  readonly residentMegabytes: number;
  readonly descriptors: number;
  readonly timers: number;
}

const BYTES_PER_MEGABYTE = 1_000_000;

export async function readProcess(adminUrl: string): Promise<ProcessReading> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const value = (name: string, label = ""): number => {
    const line = text
      .split("\n")
      .find((each) => each.startsWith(`${name}{`) && each.includes(label));
    return Number(line?.slice(line.lastIndexOf(" ") + 1) ?? 0);
  };
  return {
    heapMegabytes: value("nodejs_heap_size_used_bytes") / BYTES_PER_MEGABYTE,
    residentMegabytes: value("process_resident_memory_bytes") / BYTES_PER_MEGABYTE,
    descriptors: value("process_open_fds"),
    timers: value("nodejs_active_resources", 'type="Timeout"'),
  };
}
