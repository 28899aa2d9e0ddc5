export const TENANTS = ["acme", "globex"] as const;
export const FUNCTION_NAMES = ["hello", "resize", "billing", "search"] as const;
