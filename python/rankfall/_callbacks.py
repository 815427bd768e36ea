"""Callbacks of a monitor for Lightning and Transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._monitor import Monitor

__all__ = ["lightning", "transformers"]


def lightning(monitor: Monitor) -> Any:
    """A callback of Lightning, of whichever of its two packages is there."""
    base = _lightning_callback()

    class MonitorCallback(base):  # type: ignore[misc, valid-type]
        """Hands steps and losses to a monitor."""

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            # Batches whose gradients are accumulated make one step.
            if trainer.global_step > monitor.steps:
                loss = _loss(outputs)
                # Lightning hands out the loss divided by the batches of a step.
                share = getattr(trainer, "accumulate_grad_batches", 1)
                monitor.step(None if loss is None else loss * share, step=trainer.global_step)

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            monitor.close(type(exception).__name__)

        def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
            monitor.close()

    return MonitorCallback()


def _lightning_callback() -> Any:
    """The class of callbacks, of whichever package is there."""
    try:
        from lightning.pytorch.callbacks import Callback
    except ImportError:
        try:
            from pytorch_lightning.callbacks import Callback
        except ImportError:
            raise ImportError("Lightning is not installed: pip install lightning") from None
    return Callback


def _loss(outputs: Any) -> Any:
    if isinstance(outputs, dict):
        return outputs.get("loss")
    return outputs


def transformers(monitor: Monitor) -> Any:
    """A callback of the Trainer of Transformers."""
    try:
        from transformers import TrainerCallback
    except ImportError:
        raise ImportError("Transformers is not installed: pip install transformers") from None

    class MonitorCallback(TrainerCallback):
        """Hands steps to a monitor, with the loss that the Trainer logged last."""

        loss: float | None = None

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **rest: Any) -> None:
            self.loss = (logs or {}).get("loss", self.loss)

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            monitor.step(self.loss, step=state.global_step)

        def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            monitor.close()

    return MonitorCallback()
