// Hands the microphone's samples to the page, 100 ms at a time, as 16-bit integers.
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.held = new Int16Array(Math.round(sampleRate / 10));
    this.count = 0;
  }

  process(inputs) {
    const samples = inputs[0][0];
    if (!samples) return true;
    for (const value of samples) {
      this.held[this.count++] = Math.max(-1, Math.min(1, value)) * 32767;
      if (this.count === this.held.length) {
        this.port.postMessage(this.held.slice());
        this.count = 0;
      }
    }
    return true;
  }
}
registerProcessor("recorder", Recorder);
