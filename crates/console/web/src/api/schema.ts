// biome-ignore-all lint: temporary
export type paths = any;
export type components = { schemas: any };
