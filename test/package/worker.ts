/** An edge worker that runs the scenario against the nodes that it is told. */
import { scenario } from './scenario.ts'

const worker = {
  async fetch(request: Request): Promise<Response> {
    return Response.json(await scenario((await request.json()) as string[]))
  },
}

// oxlint-disable-next-line import/no-default-export -- a worker is a default export
export default worker
