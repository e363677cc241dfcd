/** The hub inside the server, with its catalogue. Nothing is made before somebody asks for it. */
import { createCatalogue } from "./catalogue/catalogue.ts";
import { helloWorld } from "./catalogue/hello-world/hello-world.ts";
import { createHub, type Handler } from "./hub.ts";

export const createEmbeddedHub = (): Handler => createHub(createCatalogue({ "library/hello-world": helloWorld }));
