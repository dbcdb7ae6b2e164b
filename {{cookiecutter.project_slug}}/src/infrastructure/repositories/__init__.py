from src.infrastructure.repositories.repository import Repository as Repository
