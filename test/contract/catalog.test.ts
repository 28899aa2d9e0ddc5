import { openMemory, openRemote, openSqlite } from "../io/catalog/support/open-catalogs.ts";
import { catalogContract } from "./catalog.contract.ts";

catalogContract("memory catalog", openMemory);
catalogContract("SQLite catalog", openSqlite);
catalogContract("remote catalog", openRemote);
