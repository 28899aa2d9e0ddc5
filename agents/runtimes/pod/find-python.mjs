/* Where the image has a Python, if it has one, and its packages; asked once, because an interpreter that looks itself takes longer to start. */
import { execFile } from "node:child_process";

const SCRIPT = "import site, sys; print(sys.executable, *site.getsitepackages(), sep='\\n')";

export function findPython() {
  return new Promise((resolve) => {
    execFile("python3", ["-c", SCRIPT], { timeout: 10_000 }, (error, stdout) => {
      const [path, ...packageDirectories] = error ? [] : stdout.trim().split("\n");
      resolve(path ? { path, packageDirectories } : undefined);
    });
  });
}
