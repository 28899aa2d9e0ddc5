import type { Zone } from "#lib/contracts/zone.ts";

export const euWest: Zone = {
  name: "eu-west",
  region: "eu-west",
  jurisdiction: "eu",
  clusterId: "eu-west-1",
  latitudeDegrees: 53.3,
  longitudeDegrees: -6.3,
};
export const usEast: Zone = {
  name: "us-east",
  region: "us-east",
  jurisdiction: "us",
  clusterId: "us-east-1",
  latitudeDegrees: 38.9,
  longitudeDegrees: -77.4,
};
export const apSouth: Zone = {
  name: "ap-south",
  region: "ap-south",
  jurisdiction: "in",
  clusterId: "ap-south-1",
  latitudeDegrees: 19.1,
  longitudeDegrees: 72.9,
};
/** A second zone in a region that has one. */
export const euWestB: Zone = {
  ...euWest,
  name: "eu-west-b",
  clusterId: "eu-west-b-1",
  latitudeDegrees: 52,
};

export const threeZones: readonly Zone[] = [euWest, usEast, apSouth];
