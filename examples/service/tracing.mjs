/** Traces by OpenTelemetry: a span a request, and one for what it asks of PostgreSQL, Redis or the disk. */
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { settings } from './settings.mjs';

export function startTracing() {
  if (settings.collector === undefined) return { tracer: trace.getTracer('service'), stop: async () => {} };
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const exporter = new OTLPTraceExporter({ url: `${settings.collector}/v1/traces` });
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 500 })] });
  trace.setGlobalTracerProvider(provider);
  return { tracer: trace.getTracer('service'), stop: () => provider.shutdown() };
}

/** Runs something asynchronous in a span of its own. */
export function traced(tracer, name, run) {
  return tracer.startActiveSpan(name, async (span) => {
    try {
      return await run();
    } catch (error) {
      span.recordException(error);
      throw error;
    } finally {
      span.end();
    }
  });
}
