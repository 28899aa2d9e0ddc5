import { nothing } from "a-package-that-is-not-there";
export const handler = async () => nothing;
