"""Callbacks of the monitor, with Lightning and Transformers themselves, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankfall as rf
from support import needed

torch = needed("torch")


def test_lightning(tmp_path: Path) -> None:
    pl = needed("lightning.pytorch")

    class Net(pl.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.ReLU(), torch.nn.Linear(12, 1))
            self.losses: list[float] = []

        def training_step(self, batch: Any, index: int) -> Any:
            x, y = batch
            loss = torch.nn.functional.mse_loss(self.net(x), y)
            self.losses.append(loss.item())
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.05)

    torch.manual_seed(0)
    x = torch.randn(80, 6)
    data = torch.utils.data.TensorDataset(x, x[:, :1] * 2)
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    module = Net()
    monitor = rf.torch.Monitor(module, every=4, out=tmp_path / "run", budget=None)
    trainer = pl.Trainer(
        max_epochs=2,
        accumulate_grad_batches=2,
        accelerator="cpu",
        callbacks=[monitor.lightning()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, loader)
    # 20 batches, two of them for each step.
    result = rf.load(tmp_path / "run")["training"]
    assert list(result.times) == [0, 4, 8, 10]
    assert result.loss.mean[1] == pytest.approx(module.losses[7])
    truth = torch.linalg.svdvals(module.net[0].weight.detach().double()).numpy()
    np.testing.assert_allclose(result.singular_values("w1").mean[-1], truth, rtol=1e-6)
    assert monitor.layers == {"net.0.weight": "w1", "net.2.weight": "w2"}


def test_transformers(tmp_path: Path) -> None:
    transformers = needed("transformers")
    needed("accelerate")
    config = transformers.BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
        num_labels=2,
    )
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(config)
    rows = [
        {"input_ids": torch.randint(0, 50, (12,)), "attention_mask": torch.ones(12), "labels": i % 2}
        for i in range(32)
    ]
    probe = {"input_ids": torch.stack([row["input_ids"] for row in rows[:8]])}
    monitor = rf.torch.Monitor(
        model, every=3, layers="*attention*", out=tmp_path / "run", probe=probe, budget=None
    )
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "trainer"),
        per_device_train_batch_size=8,
        max_steps=7,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        model=model, args=arguments, train_dataset=rows, callbacks=[monitor.transformers()]
    )
    trainer.train()
    result = rf.load(tmp_path / "run")["training"]
    assert list(result.times) == [0, 3, 6, 7]
    assert np.isfinite(result.loss.mean[1:3]).all()
    query = "bert.encoder.layer.0.attention.self.query.weight"
    truth = torch.linalg.svdvals(model.get_parameter(query).detach().double()).numpy()
    called = monitor.layers[query]
    np.testing.assert_allclose(result.singular_values(called).mean[-1], truth, rtol=1e-6)
    assert "bert.pooler.dense.weight" in monitor.skipped
    assert np.isfinite(result.observable("effective_rank_features_w1").mean).all()
